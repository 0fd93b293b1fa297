"""One experiment as an RO-Crate: what is in it, what its files are called, its metadata, and how it gets into its place.

RO-Crate 1.1 (https://www.researchobject.org/ro-crate/specification/1.1/), with what ran described as in Process Run Crate 0.5
(https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate/). Nothing is fetched to make one.
"""
