"""Other systems that are told: noted with the revision, sent in order by a courier."""
