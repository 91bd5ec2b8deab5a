"""An account that exists already: what others have made there, taken under management."""
