"""Drawing grey images with terminal characters; knows nothing of Textual except in ``strip``."""
