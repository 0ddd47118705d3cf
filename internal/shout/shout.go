// Package shout sends messages to chat, mail and push services by their shoutrrr
// addresses.
//
// It owns what may be said about an address, which is a secret, and how long a message
// may take. What is worth a message, and when to try again, it does not decide.
package shout

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
	"groupsyncd/internal/similar"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Message is what is sent.
type Message struct{ Title, Body string }

// Service is an address that was understood. It connects to nothing before Send.
type Service struct {
	kind    string
	service types.Service
	hide    hider
	// late says that the service signs in when it reads its address, which waits for Send.
	late    bool
	address *url.URL
}

// hint is where people find how an address is written.
const hint = "docs/notices.md has addresses to copy"

// unwanted are services that no person reads.
func unwanted(kind string) bool { return kind == "logger" }

// Kinds lists the services that are known.
func Kinds() []string {
	kinds := slices.DeleteFunc((&router.ServiceRouter{}).ListServices(), unwanted)
	slices.Sort(kinds)
	return kinds
}

// Parse understands an address. Its errors hold nothing of it but the word before the
// colon, where that is close to the name of a service.
func Parse(address secret.Value) (*Service, error) {
	text := strings.TrimSpace(address.Reveal())
	bad := func(why string, h string) (*Service, error) {
		return nil, fault.New(fault.Invalid, "", "", errors.New(why), h)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return bad("the address cannot be read: it must begin with the name of a service and ://", hint)
	}
	kind, custom, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	if !slices.Contains(Kinds(), kind) {
		why := "the address names a service that is not known"
		if near := similar.Nearest(kind, Kinds()); near != "" {
			why += "; did you mean " + near + "://?"
		}
		h := hint
		if kind == "http" || kind == "https" {
			why, h = "an address of the web is no service", "write generic+"+kind+"://… for a webhook of your own; "+hint
		}
		return bad(why, h)
	}
	s := &Service{kind: kind, hide: hiderOf(kind, text, u)}
	r := &router.ServiceRouter{}
	if s.service, err = r.NewService(kind); err != nil {
		return bad("the address names a service that is not known", hint)
	}
	if hosted(kind) && u.Hostname() == "" {
		return bad("the address of the service "+kind+" names no server", hint)
	}
	if custom != "" {
		able, ok := s.service.(types.CustomURLService)
		if !ok {
			return bad(kind+" has no addresses of the form "+kind+"+https://", hint)
		}
		if u, err = able.GetConfigURLFromCustom(u); err != nil {
			return bad("the address of the service "+kind+" is not complete: "+s.hide.error(err), hint)
		}
	} else {
		u.Scheme = kind
	}
	if s.late = kind == matrix.Scheme; s.late {
		s.address = u
		err = (&matrix.Config{}).SetURL(u)
	} else {
		err = s.initialize(u)
	}
	if err != nil {
		return bad("the address of the service "+kind+" is not complete: "+s.hide.error(err), hint)
	}
	if m, ok := s.service.(*smtp.Service); ok {
		if err := checkMail(m.Config); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// initialize has the service read its address. Some index into what is not there.
func (s *Service) initialize(u *url.URL) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a part is missing")
		}
	}()
	if err := s.service.Initialize(u, nil); err != nil {
		return err
	}
	// Those with a transport of their own get ours, which honours proxies, has limits and
	// always looks at certificates.
	client := &http.Client{Transport: Transport(), Timeout: requestTime}
	switch x := s.service.(type) {
	case interface{ SetHTTPClient(*http.Client) }:
		x.SetHTTPClient(client)
	case interface{ GetHTTPClient() *http.Client }:
		if own := x.GetHTTPClient(); own != nil {
			own.Transport, own.Timeout = client.Transport, requestTime
		}
	}
	return nil
}

// Kind names the service.
func (s *Service) Kind() string { return s.kind }

// Limit is how many bytes a message may have so that the service takes it in one piece.
func (s *Service) Limit() int {
	switch s.kind {
	case "pushover", "ifttt":
		return 900
	case "discord", "pagerduty":
		return 1800
	case "telegram", "ntfy", "slack", "signal", "join", "bark", "wecom":
		return 3400
	}
	return 8000
}

// titled says that the service shows the title by itself, where it can be given one.
func (s *Service) titled() bool {
	return !slices.Contains([]string{"googlechat", "hangouts", "rocketchat", "mattermost", "signal", "wecom", "notifiarr", "pagerduty", "zulip"}, s.kind)
}

// Send delivers a message, or says why not, without anything of the address. It returns
// when ctx ends at the latest; what the library does then ends by its own limits.
func (s *Service) Send(ctx context.Context, m Message) error {
	m.Title = oneLine(m.Title)
	if mail, ok := s.service.(*smtp.Service); ok {
		return s.fail(ctx, sendMail(ctx, mail.Config, m))
	}
	params, text := types.Params{}, m.Body
	if s.titled() {
		params.SetTitle(m.Title)
	} else {
		text = m.Title + "\n" + text
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- errors.New("the service cannot be used as it is configured")
			}
		}()
		if s.late {
			if err := s.initialize(s.address); err != nil {
				done <- err
				return
			}
		}
		done <- s.service.Send(text, &params)
	}()
	select {
	case err := <-done:
		return s.fail(ctx, err)
	case <-ctx.Done():
		return s.fail(ctx, ctx.Err())
	}
}

// oneLine keeps a text from becoming more than one header.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (s *Service) fail(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	kind, h := judge(ctx, err)
	why := s.hide.error(err)
	if errors.Is(err, context.DeadlineExceeded) {
		why = "no answer in time"
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		kind, h, why = own.Kind, own.Hint, s.hide.text(own.Err.Error())
	}
	return fault.New(kind, "send by "+s.kind, "", fmt.Errorf("%s", why), h)
}
