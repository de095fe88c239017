"""Who somebody is: sign-in by phone, tokens, device sessions, consent and one's own data."""
