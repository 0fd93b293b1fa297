"""The configuration of the test cluster: everything private to one directory, everything on loopback.

Each odd line cost a failed attempt: see the comments.
"""

from pathlib import Path

#: Character devices that every machine has: pretended GPUs that schedule *and* set CUDA_VISIBLE_DEVICES.
GPU_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")
CPUS = 16


def slurm_conf(dir: Path, user: str, host: str, ports: dict[str, int], nodes: list[str]) -> str:
    lines = [
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[node]} CPUs={CPUS} RealMemory=64000 "
        f"Gres=gpu:{len(GPU_DEVICES)} State=UNKNOWN"
        for node in nodes
    ]
    return f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports["slurmctld"]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/run/munge.socket
StateSaveLocation={dir}/spool/ctld
SlurmdSpoolDir={dir}/spool/%n
SlurmctldPidFile={dir}/run/slurmctld.pid
SlurmdPidFile={dir}/run/slurmd-%n.pid
SlurmctldLogFile={dir}/log/slurmctld.log
SlurmdLogFile={dir}/log/slurmd-%n.log
# Without these two it listens on every address.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=5
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports["slurmdbd"]}
# On the way to slurmdbd munge's socket is taken from here, not from AuthInfo.
AccountingStoragePass={dir}/run/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
KillWait=5
SlurmdTimeout=10
MinJobAge=300
MaxJobCount=20000
{chr(10).join(lines)}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def gres_conf(nodes: list[str]) -> str:
    return "".join(f"NodeName={node} Name=gpu File={device}\n" for node in nodes for device in GPU_DEVICES)


def cgroup_conf(version: str) -> str:
    """Newer ones end where there are no control groups to be had, unless they are told to do without."""
    return "CgroupPlugin=disabled\n" if version >= "23.11" else ""


def slurmdbd_conf(dir: Path, user: str, host: str, ports: dict[str, int]) -> str:
    return f"""AuthType=auth/munge
AuthInfo=socket={dir}/run/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports["slurmdbd"]}
SlurmUser={user}
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile={dir}/log/slurmdbd.log
PidFile={dir}/run/slurmdbd.pid
CommunicationParameters=NoInAddrAny
"""


def sshd_config(dir: Path, ports: dict[str, int]) -> str:
    return f"""Port {ports["sshd"]}
ListenAddress 127.0.0.1
HostKey {dir}/etc/host_key
PidFile {dir}/run/sshd.pid
LogLevel VERBOSE
AuthorizedKeysFile {dir}/etc/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv SLURM_CONF={dir}/etc/slurm.conf HOME={dir}/home
Subsystem sftp internal-sftp
"""


def ssh_config(dir: Path, user: str, ports: dict[str, int]) -> str:
    return f"""Host cluster
  HostName 127.0.0.1
  Port {ports["sshd"]}
  User {user}
  IdentityFile {dir}/etc/client_key
  IdentitiesOnly yes
  UserKnownHostsFile {dir}/etc/known_hosts
"""
