"""Other people's guards: in environments of their own, and all of them beside Guard on one suite."""
