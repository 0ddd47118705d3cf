package providers

import (
	"fmt"

	"groupsyncd/internal/fault"
)

// Findings are gathered by a Check, one after the other.
type Findings struct{ List []Finding }

// OK says that something is as it should be.
func (f *Findings) OK(check, format string, args ...any) {
	f.List = append(f.List, Finding{Level: OK, Check: check, Message: fmt.Sprintf(format, args...)})
}

// Warn says what may become a problem, and what to do about it.
func (f *Findings) Warn(check, remedy, format string, args ...any) {
	f.List = append(f.List, Finding{Level: Warning, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// Fail says what keeps the source from being read, and what to do about it.
func (f *Findings) Fail(check, remedy, format string, args ...any) {
	f.List = append(f.List, Finding{Level: Failed, Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy})
}

// Err is Fail by an error, whose hint is the remedy.
func (f *Findings) Err(check string, err error) { f.Fail(check, fault.HintOf(err), "%s", err) }
