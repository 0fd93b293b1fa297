"""What a job is: a module for each tool, behind the interface of `base`."""
