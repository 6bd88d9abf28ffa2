"""The domain, pure: conversations, text, pictures, tensors, policy. No I/O."""
