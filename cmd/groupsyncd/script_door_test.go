package main

import (
	"net/netip"
	"os"
	"syscall"
)

// shut keeps the port of a server that was stopped, with nobody listening at it: the kernel
// would give it to the next test that asks for any.
func (s *stage) shut(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	door, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	s.doors[address] = door
	// Connections of before would keep the port from whoever does not ask for it in this way.
	if err := syscall.SetsockoptInt(door, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", syscall.Bind(door, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}))
}

// open lets a server listen at its address again.
func (s *stage) open(address string) {
	if door, shut := s.doors[address]; shut {
		_ = syscall.Close(door) // It never had a connection.
		delete(s.doors, address)
	}
}
