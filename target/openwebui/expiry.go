package openwebui

import (
	"time"

	"groupsyncd/internal/oauth"
)

// KeyEnds gives until when our key is good, where it says so itself: a token of a sign-in
// that stands for a key. Zero: it does not end, or does not say so.
func (c *Client) KeyEnds() time.Time {
	key, err := c.key()
	if err != nil {
		return time.Time{} // The next request says why.
	}
	return oauth.Expiry(key)
}
