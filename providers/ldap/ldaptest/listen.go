package ldaptest

import "net"

// StartOn serves a listener that is there already, of whatever network, and gives the
// URL of its address.
func (s *Server) StartOn(l net.Listener) (string, error) {
	return s.serve(l, "ldap://"+l.Addr().String())
}
