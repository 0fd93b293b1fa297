"""When things are likely to begin and to be over: each job, the phases, the barrier, the end. Pure; times are seconds since 1970."""
