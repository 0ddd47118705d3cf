//go:build !linux

package state

import "errors"

// Space is known on Linux only.
func Space(string) (int64, error) { return 0, errors.ErrUnsupported }
