"""The screen for people: a Gradio page over the service."""
