package main

// page gives the guards of the status page: who sees it, and who decides there.
func page() []mutation {
	const pkg = "server"
	face, sessions, door := pkg+"/page.go", pkg+"/sessions.go", pkg+"/signin.go"
	return in("9.6 status page", pkg,
		mutation{name: "only who may look looks", file: face, old: "\t\tcase err != nil:\n\t\t\tp.a.noteRefused", new: "\t\tcase err != nil && c == nil:\n\t\t\tp.a.noteRefused", run: "TestEveryRefusalIsAPageWithARemedy"},
		mutation{name: "being on the machine decides nothing", file: face, old: "(c.session == nil || !c.approver)", new: "(c.session != nil && !c.approver)", run: "TestOnlyAFormOfOursDecides"},
		mutation{name: "a reader decides nothing", file: face, old: "(c.session == nil || !c.approver)", new: "c.session == nil", run: "TestOnlyAFormOfOursDecides"},
		mutation{name: "a form carries its proof", file: face, old: "if !c.session.proves(r.PostForm.Get(\"proof\")) {", new: "if !r.PostForm.Has(\"proof\") {", run: "TestOnlyAFormOfOursDecides"},
		mutation{name: "a form of somebody else does nothing", file: face, old: "if err := p.origin.Check(r); err != nil {", new: "if err := p.origin.Check(r); err != nil && r.Method == http.MethodGet {", run: "TestOnlyAFormOfOursDecides"},
		mutation{name: "a sign-in ends with its token", file: sessions, old: "if err == nil && v.name == s.name {", new: "if v.name = s.name; s.name != \"\" || err == nil {", run: "TestASignInEndsWithItsToken"},
		mutation{name: "a token that goes to another name ends the sign-in", file: sessions, old: "if err == nil && v.name == s.name {", new: "if err == nil {", run: "TestASignInEndsWithItsToken"},
		mutation{name: "nobody stays signed in for ever", file: sessions, old: " || now.Sub(s.began) >= sessionLife", new: "", run: "TestASignInEnds"},
		mutation{name: "an unused sign-in ends", file: sessions, old: "now.Sub(s.used) >= sessionIdle || ", new: "", run: "TestASignInEnds"},
		mutation{name: "sign-ins are bounded", file: sessions, old: "if n >= most {", new: "if n > maxSessions {", run: "TestSignInsAreBounded"},
		mutation{name: "a cookie of TLS has no plain twin", file: sessions, old: "s == nil || s.secure != secure", new: "s == nil", run: "TestTheCookieGoesNowhereElse"},
		mutation{name: "wrong tokens are few", file: door, old: "if !p.guesses.may(from) {", new: "if !p.guesses.may(from) && p == nil {", run: "TestWrongTokensAreFew"},
		mutation{name: "signing in leads nowhere else", file: door, old: "|| strings.HasPrefix(to, \"//\")", new: "", run: "TestOneComesBackToWhereOneWas"},
		mutation{name: "an approval has a reason", file: pkg + "/page_holds.go", old: "case reason == \"\":", new: "case reason == \"-\":", run: "TestAnApprovalHasAReasonAndANameAndLeadsToItsRun"},
	)
}
