package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"

	"groupsyncd/test/proc"
)

// step does a part of the work and prints what it took.
func step(name string, do func() error) error {
	if err := proc.Self.ResetPeak(); err != nil {
		return err
	}
	began := spent()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	took := spent() - began
	used, err := proc.Self.Memory()
	if err != nil {
		return err
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	// What maps the file of the state is counted by itself.
	fmt.Printf("%-34s %10d %10.1f %10.1f %10.1f   and %.1f of the file\n", name, took.Milliseconds(),
		mb(used.Peak-used.Mapped), mb(used.Resident-used.Mapped), mb(int64(m.HeapAlloc)), mb(used.Mapped))
	return nil
}

// spent is the time that the processor has given this program, collecting garbage included.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func mb(n int64) float64 { return float64(n) / (1 << 20) }
