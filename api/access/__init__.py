"""Who may do what: keys with scopes, sessions of the page, and limits on how often."""
