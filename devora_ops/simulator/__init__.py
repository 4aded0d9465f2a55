"""A stand-in for OpenAI, Anthropic and OpenRouter that runs on this machine."""
