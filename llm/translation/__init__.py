"""Chat completions in Anthropic's messages and back, so that any client meets any model.

chat_over_messages    a chat client is served by a model that speaks messages
messages_over_chat    a messages client is served by a model that speaks chat

Both have `request`, `answer` and `Stream`; all of it is pure: dicts in, dicts out.
What the other format cannot say is refused when the answer would differ from what was
asked for, and left out when it is only a hint.
"""
