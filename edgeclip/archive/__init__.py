"""A pack at work on archived images: folders of any size, resumable, on one machine or several."""
