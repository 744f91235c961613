"""What is handed on, in the field's formats, and the labels that go back to the trainer."""
