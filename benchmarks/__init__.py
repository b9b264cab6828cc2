"""The scripts behind every performance claim: each prints JSON lines, one per figure, and nothing else."""
