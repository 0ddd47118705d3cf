package httpx

import (
	"errors"
	"net"
	"os"
	"strings"
)

// terse is an error in fewer words.
type terse struct {
	text string
	err  error
}

func (t terse) Error() string { return t.text }
func (t terse) Unwrap() error { return t.err }

// Terse leaves out of an error of the network what hides its cause where a line is cut: which
// call it was, who was asked for the name, our own end of the connection, and the server's
// where asked, an address that is told before, names it.
func Terse(err error, asked string) error {
	var text, long string
	for at := err; long == ""; {
		op, ok := errors.AsType[*net.OpError](at)
		if !ok {
			name, ok := errors.AsType[*net.DNSError](err)
			if !ok {
				return err
			}
			text, long = unknown(name, asked), name.Error()
			break
		}
		if text = broken(op, asked); text != "" {
			long = op.Error()
		}
		at = op.Err // A proxy has an error of its own around that.
	}
	return terse{strings.Replace(err.Error(), long, text, 1), err}
}

// broken says why a connection could not be made or used; empty: it is not about that.
func broken(op *net.OpError, asked string) string {
	why := op.Err.Error()
	if call, ok := errors.AsType[*os.SyscallError](op.Err); ok {
		why = call.Err.Error()
	}
	switch op.Op {
	case "dial":
		if name, ok := errors.AsType[*net.DNSError](op.Err); ok {
			return unknown(name, asked)
		}
	case "read", "write":
		why = op.Op + ": " + why
	default:
		return ""
	}
	if op.Addr == nil || names(asked, op.Addr.String()) {
		return why
	}
	return op.Addr.String() + ": " + why
}

// unknown says why the address of a name was not found.
func unknown(name *net.DNSError, asked string) string {
	switch {
	case !name.IsNotFound:
		return "look up " + name.Name + ": " + name.Err
	case names(asked, name.Name):
		return name.Err
	}
	return name.Name + ": " + name.Err
}

// names reports whether a URL is of that host, or host and port.
func names(asked, host string) bool {
	_, rest, _ := strings.Cut(asked, "://")
	return rest == host || strings.HasPrefix(rest, host+":") || strings.HasPrefix(rest, host+"/")
}
