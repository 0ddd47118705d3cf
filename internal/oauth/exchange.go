package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"groupsyncd/internal/fault"
	"groupsyncd/internal/secret"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	grantType     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// exchange asks for a token: once more where the server wants it bound to a key, and once
// more where it wants a nonce in the proof of that key.
func (c *Client) exchange(ctx context.Context) (token, error) {
	switched, nonce := false, false
	for {
		sent := c.proving() != nil
		t, err := c.request(ctx)
		switch {
		case !switched && !sent && (err == nil && t.bound || Code(err) == "invalid_dpop_proof"):
			switched = true
			if err := c.bind(); err != nil {
				return token{}, fault.New(fault.Invalid, opToken, c.where(), err, "")
			}
			c.o.Logger.Info("the server wants access tokens that are bound to a key (DPoP)", "server", c.o.Name)
		case !nonce && c.proving() != nil && asksNonce(err):
			nonce = true
		case err == nil && t.bound && !sent:
			return token{}, fault.New(fault.Invalid, opToken, c.where(), errors.New("the token is bound to a key that was never shown"), "")
		default:
			return t, err
		}
	}
}

// request asks for a token once.
func (c *Client) request(ctx context.Context) (token, error) {
	conf, sent, err := c.prepare()
	if err != nil {
		return token{}, fault.New(kindOr(err, fault.Invalid), opToken, c.where(), err, fault.HintOf(err))
	}
	asked, began := c.o.Now(), time.Now()
	got, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, c.http))
	if err != nil {
		return token{}, c.failure(ctx, err, conf.TokenURL, sent)
	}
	kind := strings.ToLower(got.TokenType)
	if kind != "" && kind != "bearer" && kind != "dpop" {
		return token{}, fault.New(fault.Invalid, opToken, c.where(), errors.New("the token is of a kind that is not known"), "")
	}
	var life time.Duration
	if !got.Expiry.IsZero() {
		life = got.Expiry.Sub(began)
	}
	c.o.Logger.Debug("access token", "server", c.o.Name, "life", life.Round(time.Second).String(), "ms", time.Since(began).Milliseconds())
	return newToken(got.AccessToken, kind == "dpop", asked, life), nil
}

// prepare reads who we are, as it is now. sent are the secrets that go into the request.
func (c *Client) prepare() (conf *clientcredentials.Config, sent []secret.Value, err error) {
	conf = &clientcredentials.Config{
		ClientID: c.o.ClientID, TokenURL: c.o.TokenURL, Scopes: c.o.Scopes,
		EndpointParams: maps.Clone(c.o.Params), AuthStyle: oauth2.AuthStyleInParams,
	}
	if conf.EndpointParams == nil {
		conf.EndpointParams = url.Values{}
	}
	var assertion secret.Value
	switch {
	case c.o.Grant != nil:
		account, err := c.o.Grant.read(c.o.TokenURL)
		if err != nil {
			return nil, nil, err
		}
		if assertion, err = account.assertion(c.o.Grant.Subject, c.o.Scopes, c.o.Now()); err != nil {
			return nil, nil, err
		}
		conf.ClientID, conf.Scopes, conf.TokenURL = "", nil, account.tokenURL
		conf.EndpointParams.Set("grant_type", grantType)
		conf.EndpointParams.Set("assertion", assertion.Reveal())
		return conf, []secret.Value{assertion}, nil
	case c.o.Key != nil:
		if assertion, err = c.o.Key.assertion(c.o.ClientID, c.o.TokenURL, c.o.Now()); err != nil {
			return nil, nil, err
		}
	case !c.o.Assertion.IsZero():
		if assertion, err = c.o.Assertion.Read(); err != nil {
			return nil, nil, fmt.Errorf("read the federated token: %w", err)
		}
		assertion = secret.New(strings.TrimSpace(assertion.Reveal()))
	default:
		key, err := c.o.Secret.Read()
		if err != nil {
			return nil, nil, fmt.Errorf("read the client secret: %w", err)
		}
		conf.ClientSecret = key.Reveal()
		if !c.o.SecretInBody {
			conf.AuthStyle = oauth2.AuthStyleInHeader
		}
		return conf, []secret.Value{key}, nil
	}
	conf.EndpointParams.Set("client_assertion_type", assertionType)
	conf.EndpointParams.Set("client_assertion", assertion.Reveal())
	return conf, []secret.Value{assertion}, nil
}

func kindOr(err error, or fault.Kind) fault.Kind {
	if k := fault.KindOf(err); k != 0 {
		return k
	}
	return or
}
