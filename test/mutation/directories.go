package main

// directories are the guards on the way into an LDAP server and in what it is taken for.
func directories() []mutation {
	const dir = "providers/ldap/"
	return in("ldap", "providers/ldap", []mutation{
		{name: "StartTLS that is configured is done", file: dir + "connect.go", old: `to.scheme != "ldaps" && !s.config.StartTLS {`, new: `to.scheme != "ldaps" {`, run: "TestNothingIsSentInClearWhenStartTLSIsRefused"},
		{name: "no password crosses a network in clear", file: dir + "config.go", old: "if inClear && !c.Bind.Password.IsZero() && !s.loopback() {", new: "if false {", run: "TestCheckFindsEachMistake"},
		{name: "a bind that proves nothing is refused", file: dir + "bind.go", old: "\t\treturn errNobody\n", new: "\t\treturn nil\n", run: "TestABindThatProvesNothingIsRefused"},
		{name: "a refused password is not tried again", file: dir + "bind.go", old: "if readErr != nil || again.Reveal() == password.Reveal() {", new: "if readErr != nil {", run: "TestARefusedPasswordIsTriedOnce"},
		{name: "the server of a Kerberos bind proves itself", file: dir + "handshake.go", old: "if part.CTime.Unix() != h.sent.CTime.Unix() || part.Cusec != h.sent.Cusec {", new: "if false {", run: "TestAKerberosServerThatProvesNothingIsRefused"},
		{name: "no layer is promised that is not kept", file: dir + "handshake.go", old: "if token.Payload[0]&noLayer == 0 {", new: "if false {", run: "TestAKerberosServerThatProvesNothingIsRefused"},
		{name: "an id that the schema does not know is an error", file: dir + "schema.go", old: "case !s.attribute(name):", new: "case false:", run: "TestAutoKeepsWhatTheFileSays"},
		{name: "another server is asked for its schema", file: dir + "detect.go", old: "known.identity == identity && ", new: "", run: "TestAutoAsksOnceForTheSchemaAndAgainForAnotherServer"},
		{name: "what the server decided is in the scope", file: dir + "pull.go", old: "r.snapshot.Scope, r.snapshot.Replicated = r.layout.decided(), r.layout.ad", new: "", run: "TestTheDataNeverDecidesOnTheLayout"},
	}...)
}
