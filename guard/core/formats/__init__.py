"""The formats of LLM APIs: the bytes of a request become a `Conversation`."""
