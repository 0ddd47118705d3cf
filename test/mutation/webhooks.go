package main

import "slices"

// receivers are the guards between a request from anywhere and a run.
func receivers() []mutation {
	const dir, pkg = "server/hooks/", "server/hooks"
	return slices.Concat(in("6.1 every receiver", pkg, []mutation{
		{name: "only POST carries a webhook", file: dir + "gate.go", old: "case r.Method != http.MethodPost:", new: "case r.Method == http.MethodTrace:", run: "TestWrongMethodIsRefused"},
		{name: "a body has an end", file: dir + "gate.go", old: "case len(r.Body) > MaxBody:", new: "case false:", run: "TestHugeBodyIsRefused"},
		{name: "without a secret nothing is taken", file: dir + "gate.go", old: "case g.kind.Secret == Required && len(secrets) == 0:", new: "case false:", run: "TestWrongSecretIsRefused"},
		{name: "an empty secret is none", file: dir + "gate.go", old: `return strings.TrimSpace(s.Reveal()) == ""`, new: `return strings.TrimSpace(s.Reveal()) == "never"`, run: "TestWrongSecretIsRefused"},
		{name: "secrets are compared", file: dir + "gate.go", old: "return found == 1", new: "return found >= 0", run: "TestWrongSecretIsRefused"},
		{name: "of two values none counts", file: dir + "gate.go", old: `if len(values) != 1 || values[0] == "" {`, new: "if len(values) == 0 {", run: "TestMissingHeaderIsRefused"},
		{name: "a token without an id cannot count once", file: dir + "gate.go", old: `case v.ID == "":`, new: "case false:", run: "TestKeycloakTokens"},
		{name: "what lives for days is not remembered for days", file: dir + "gate.go", old: "case left > day:", new: "case false:", run: "TestKeycloakTokens"},
		{name: "a token is remembered while it lives", file: dir + "gate.go", old: "Keep: max(left, 0) + tolerance", new: "Keep: tolerance", run: "TestKeycloakTokens"},
		{name: "many people are everybody", file: dir + "body.go", old: "len(list) > maxHints {", new: "len(list) > 1<<30 {", run: "TestTooManyHintsAreEverybody"},
		{name: "an id means something in its own source only", file: dir + "body.go", old: `case known && (o.ids || o.Source == "" && nameless):`, new: "case known:", run: "TestKeycloakEvents"},
		{name: "somebody who cannot be named is not nobody", file: dir + "body.go", old: "case known && nameless:", new: "case false:", run: "TestKeycloakEvents"},
	}...), in("6.1 Standard Webhooks", pkg, []mutation{
		{name: "a signature must fit", file: dir + "standard.go", old: "signatures, secrets) {\n\t\treturn Proof{}, errSignature", new: "signatures, secrets) && id == \"\" {\n\t\treturn Proof{}, errSignature", run: "TestAnyChangedByteIsRefused"},
		{name: "an old request is refused", file: dir + "standard.go", old: "if r.At.Sub(time.Unix(seconds, 0)).Abs() > d.o.Tolerance {", new: "if time.Unix(seconds, 0).Sub(r.At) > d.o.Tolerance {", run: "TestStandardTimes"},
		{name: "one of the future too", file: dir + "standard.go", old: "time.Unix(seconds, 0)).Abs() > ", new: "time.Unix(seconds, 0)) > ", run: "TestStandardTimes"},
		{name: "its id makes a delivery", file: dir + "standard.go", old: `ID: digest("id", id)`, new: `ID: digest("id", id, stamp)`, run: "TestStandardIDIsTheDelivery"},
		{name: "it is remembered for as long as it is in time", file: dir + "standard.go", old: "Keep: 2*d.o.Tolerance + time.Second", new: "Keep: d.o.Tolerance + time.Second", run: "TestStandardTimes"},
		{name: "a version is one way to sign", file: dir + "standard.go", old: `case version == "v1":`, new: `case version != "v1a":`, run: "TestStandardVectors"},
		{name: "a public key signs nothing", file: dir + "standard.go", old: "return key, nil\n", new: "return key, [][]byte{key}\n", run: "TestStandardVectors"},
		{name: "an empty key is none", file: dir + "standard.go", old: "err == nil && len(key) > 0", new: "err == nil", run: "TestStandardVectors"},
		{name: "signatures have an end", file: dir + "standard.go", old: "range list[:min(len(list), maxSignatures)] {", new: "range list {", run: "TestStandardVectors"},
		{name: "people of tokens come from tokens", file: dir + "standard.go", old: "case !d.o.TokensOnly && named(user):", new: "case named(user):", run: "TestStandardBodies"},
	}...), in("6.1 Open WebUI", pkg, []mutation{
		{name: "the address ends with the secret", file: dir + "openwebui.go", old: "if !isSecret(r.Tail, secrets) {", new: "if r.Tail == \"\" {", run: "TestWrongSecretIsRefused"},
		{name: "our own echo is about nobody", file: dir + "openwebui.go", old: `case event != "auth.login" && event != "auth.signup" && event != "user.created":`, new: "case false:", run: "TestOpenWebUIEvents"},
	}...), in("6.1 Keycloak", pkg, []mutation{
		{name: "a signature must fit", file: dir + "keycloak.go", old: "hmac.Equal(mac.Sum(nil), signature)", new: "len(mac.Sum(nil)) == len(signature)", run: "TestAnyChangedByteIsRefused"},
		{name: "a token is no signature", file: dir + "keycloak.go", old: "if len(secrets) == 0 {", new: `if len(secrets) == 0 || r.Header.Get("X-Keycloak-Signature") == "" {`, run: "TestOneProofNeverStandsForTheOther"},
		{name: "a token is for one body", file: dir + "keycloak.go", old: "case !strings.EqualFold(said, hex.EncodeToString(sum[:])):", new: "case said == hex.EncodeToString(sum[:1]):", run: "TestKeycloakTokens"},
		{name: "a token is for one address", file: dir + "keycloak.go", old: `case r.URL == "" || !slices.Contains(`, new: `case r.URL == "" && !slices.Contains(`, run: "TestKeycloakTokens"},
		{name: "without an address of ours it is for nobody", file: dir + "keycloak.go", old: `case r.URL == "" || !slices.Contains(`, new: `case !slices.Contains(`, run: "TestKeycloakTokens"},
		{name: "who changed somebody is not who was changed", file: dir + "keycloak.go", old: `d.o.person(id, "", e.Details.v.Username.v)`, new: `d.o.person(id, "", e.Actor.v.Username.v)`, run: "TestKeycloakEvents"},
	}...), in("6.1 Okta and authentik", pkg, []mutation{
		{name: "a challenge is repeated to Okta alone", file: dir + "okta.go", old: "len(challenge) > maxChallenge || !authorized(r, secrets) {", new: "len(challenge) > maxChallenge {", run: "TestOktaHandshake"},
		{name: "events have the secret", file: dir + "okta.go", old: "if !authorized(r, secrets) {", new: "if r.Header == nil {", run: "TestWrongSecretIsRefused"},
		{name: "failed sign-ins lead to nothing", file: dir + "okta.go", old: `case result == "FAILURE" || result == "DENY":`, new: `case result == "never":`, run: "TestOktaEvents"},
		{name: "notifications have the secret", file: dir + "authentik.go", old: "if !authorized(r, secrets) {", new: "if r.Header == nil {", run: "TestWrongSecretIsRefused"},
		{name: "equal bodies are two sign-ins", file: dir + "authentik.go", old: "return Proof{}, nil\n", new: "return Proof{ID: digest(\"body\", string(r.Body)), Keep: day}, nil\n", run: "TestDeliveryIsKnownAgain"},
	}...), in("6.1 Graph and Google", pkg, []mutation{
		{name: "every notification proves itself", file: dir + "graph.go", old: "isSecret(n.State.v, secrets) && good", new: "isSecret(n.State.v, secrets)", run: "TestEveryNotificationProvesItself"},
		{name: "what is not proved yet has an end", file: dir + "graph.go", old: "err != nil || len(*b) == maxHints {", new: "err != nil {", run: "TestManyNotificationsAreNoneOfGraph"},
		{name: "equal bodies are two changes", file: dir + "graph.go", old: "case len(ids) <= len(list):", new: "case false:", run: "TestGraphDeliveriesWithIDsAreToldApart"},
		{name: "of two tokens none is repeated", file: dir + "graph.go", old: "len(tokens) != 1 {", new: "len(tokens) == 0 {", run: "TestGraphHandshake"},
		{name: "no browser takes a token for a page", file: dir + "hooks.go", old: "\th.Set(\"X-Content-Type-Options\", \"nosniff\")\n", new: "", run: "TestGraphHandshake"},
		{name: "the token of a channel is the secret", file: dir + "google.go", old: "if !ok || !isSecret(token, secrets) {", new: "if !ok || token == \"\" {", run: "TestWrongSecretIsRefused"},
		{name: "messages are numbered by channel", file: dir + "google.go", old: `digest("google", channel, number)`, new: `digest("google", channel[:0], number)`, run: "TestGoogleMessagesAreNumbered"},
		{name: "the first message is about nobody", file: dir + "google.go", old: `slices.Contains([]string{"add",`, new: `slices.Contains([]string{"sync", "add",`, run: "TestGoogleNotifications"},
	}...), in("6.1 logout", pkg, []mutation{
		{name: "of two tokens none counts", file: dir + "logout.go", old: "if len(tokens) != 1 ||", new: "if len(tokens) == 0 ||", run: "TestLogoutForms"},
		{name: "a logout counts once", file: dir + "logout.go", old: "return once(r, v)", new: "return Proof{ID: digest(v.ID), Claims: v}, nil", run: "TestLogoutForms"},
		{name: "it is a form", file: dir + "logout.go", old: `err != nil || media != "application/x-www-form-urlencoded" {`, new: `err != nil && media != "" {`, run: "TestLogoutForms"},
	}...))
}
