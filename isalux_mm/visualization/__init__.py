"""Pictures for people: panels."""
