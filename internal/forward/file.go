package forward

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File gives a sink that appends to a file, which it makes for its owner only. One that
// was moved or removed, as by logrotate, is made again.
func File(path string) Sink { return &file{path: path} }

type file struct {
	path string
	f    *os.File
}

func (s *file) Send(lines []Line) error {
	if err := s.open(); err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	var text []byte
	for _, l := range lines {
		text = append(append(text, l.Text...), '\n')
	}
	before, err := s.f.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("append to file: %w", err), s.Close())
	}
	if _, err := s.f.Write(text); err != nil {
		// A line that was cut would make the next one unreadable.
		return errors.Join(fmt.Errorf("append to file: %w", err), s.f.Truncate(before), s.Close())
	}
	if err := s.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("append to file: %w", err), s.Close())
	}
	return nil
}

// open opens the file unless the one that is open still has its name.
func (s *file) open() error {
	if s.f != nil {
		ours, err := s.f.Stat()
		if err == nil {
			named, e := os.Stat(s.path)
			if e == nil && os.SameFile(ours, named) {
				return nil
			}
			if e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = e
			}
		}
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := endLine(f); err != nil {
		return errors.Join(err, f.Close())
	}
	s.f = f
	return nil
}

// endLine ends a line that a crash has cut.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString("\n")
	return err
}

func (s *file) Close() error {
	if s.f == nil {
		return nil
	}
	err := s.f.Close()
	s.f = nil
	return err
}
