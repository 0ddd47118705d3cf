package httpx

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// Walk bounds a walk over pages: a server that gives the same page again, or pages without
// end, is not followed.
type Walk struct {
	// Max is how many pages there may be; zero: 100,000.
	Max  int
	seen map[[32]byte]bool
	n    int
}

// errLoop is inside of the error of a walk that would not end.
var errLoop = errors.New("the server gives the same page again and again")

// Next takes in what leads to the next page: an address, a cursor or a number.
func (w *Walk) Next(to string) error {
	setDefault(&w.Max, 100_000)
	if w.n++; w.n > w.Max {
		return fmt.Errorf("the server gives more than %d pages", w.Max)
	}
	if w.seen == nil {
		w.seen = map[[32]byte]bool{}
	}
	mark := sha256.Sum256([]byte(to)) // Cursors may be long.
	if w.seen[mark] {
		return errLoop
	}
	w.seen[mark] = true
	return nil
}
