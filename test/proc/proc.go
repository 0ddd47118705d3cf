// Package proc reads what Linux knows about a process under test: its memory and how many
// files it has open. What the program says about itself is left to its metrics.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Process is a process by its folder in /proc.
type Process string

// Self is the process that asks.
const Self Process = "/proc/self"

// Of is the process with that id.
func Of(pid int) Process { return Process("/proc/" + strconv.Itoa(pid)) }

// Memory is what of a process is in memory, in bytes.
type Memory struct {
	// Resident is what is there now, Peak the most since the process or its last ResetPeak began.
	Resident, Peak int64
	// Mapped is the share of Resident that belongs to files or to several processes. The system
	// takes it back when it wants.
	Mapped int64
}

// Memory fails when the process is gone or has ended.
func (p Process) Memory() (Memory, error) {
	name := filepath.Join(string(p), "status")
	text, err := os.ReadFile(name)
	if err != nil {
		return Memory{}, err
	}
	m, err := parse(text)
	if err != nil {
		return Memory{}, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// ResetPeak lets the peak begin anew with what is resident now.
func (p Process) ResetPeak() error {
	return os.WriteFile(filepath.Join(string(p), "clear_refs"), []byte("5"), 0)
}

// Descriptors counts the files that the process has open.
func (p Process) Descriptors() (int, error) {
	open, err := os.ReadDir(filepath.Join(string(p), "fd"))
	return len(open), err
}

// parse reads the lines of a status file that look like "VmRSS:	  1234 kB".
func parse(status []byte) (Memory, error) {
	var m Memory
	var file, shared int64
	wanted := map[string]*int64{"VmRSS": &m.Resident, "VmHWM": &m.Peak, "RssFile": &file, "RssShmem": &shared}
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		into, ok := wanted[string(name)]
		if !ok {
			continue
		}
		kilo, isKilo := bytes.CutSuffix(bytes.TrimSpace(rest), []byte(" kB"))
		n, err := strconv.ParseInt(string(kilo), 10, 64)
		if err != nil || !isKilo {
			return Memory{}, fmt.Errorf("no number of kilobytes in %q", bytes.TrimSpace(line))
		}
		*into = n << 10
		delete(wanted, string(name))
	}
	// A process that has ended has no memory any more, and its status no such lines.
	for name := range wanted {
		return Memory{}, fmt.Errorf("there is no %s", name)
	}
	m.Mapped = file + shared
	return m, nil
}
