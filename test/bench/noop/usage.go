package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// step does a part of the work and prints what it took.
func step(name string, do func() error) error {
	// The highest mark begins anew with what is resident now.
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return err
	}
	began := spent()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	took := spent() - began
	peak, now, file, err := resident()
	if err != nil {
		return err
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("%-34s %10d %10.1f %10.1f %10.1f   and %.1f of the file\n", name, took.Milliseconds(), peak, now, float64(m.HeapAlloc)/(1<<20), file)
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

// resident gives, in MB, the highest and the present memory of the process without what
// maps the file of the state, and that.
func resident() (peak, now, file float64, err error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, 0, err
	}
	value := func(name string) float64 {
		_, rest, _ := bytes.Cut(text, []byte("\n"+name+":"))
		kb, _ := strconv.Atoi(string(bytes.Fields(rest)[0]))
		return float64(kb) / 1024
	}
	file = value("RssFile") + value("RssShmem")
	return value("VmHWM") - file, value("VmRSS") - file, file, nil
}
