"""What people's judgements say about candidates, and which candidates to ask about next."""
