"""The release gate: no guard goes live that is quietly worse than the last one."""
