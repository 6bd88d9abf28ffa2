"""What the stand-in says, whatever it is asked."""

WORDS = ("hello", "the", "cat", "is", "a", "picture")
ARGUMENTS = '{"city": "Oslo", "file": "a.txt"}'
CALL_ID = "call_9x2KdMPpTGqHhuNnVvIuQWkx"
CREATED = 1_700_000_000
USAGE = {"prompt_tokens": 7, "completion_tokens": 6, "total_tokens": 13}
