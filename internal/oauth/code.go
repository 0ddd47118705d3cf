package oauth

// Code gives the word by which a token endpoint named its error (RFC 6749, 5.2), or nothing.
func Code(err error) string { return codeOf(err) }
