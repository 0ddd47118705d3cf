// An OpenID provider for tests, made of the package oidc-provider: one client, people
// from a file, a page to sign in on, rotating refresh tokens, back-channel logout.
//
//	node server.mjs PORT PEOPLE.json REDIRECT [LOGOUT]
//
// PEOPLE.json is {"username": {"email", "name", "groups"}} and read at every use, so that
// a test changes somebody by writing it. A person without groups has no such claim.
import { readFileSync } from 'node:fs';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, file, redirect, logout] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = () => JSON.parse(readFileSync(file, 'utf8'));
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'open-webui',
    client_secret: 'secret-of-open-webui',
    redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
    ...(logout && { backchannel_logout_uri: logout, backchannel_logout_session_required: true }),
  }],
  findAccount(ctx, id) {
    const person = people()[id];
    return person && { accountId: id, claims: () => ({ sub: id, email_verified: true, ...person }) };
  },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'offline_access'],
  // Open WebUI keeps the ID token, so the claims belong in there and not only in userinfo.
  conformIdTokenClaims: false,
  pkce: { required: () => false },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  // The first use of a client is not asked about.
  async loadExistingGrant(ctx) {
    const { client, session, provider: op } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    if (known) return op.Grant.find(known);
    const grant = new op.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid email profile groups offline_access');
    await grant.save();
    return grant;
  },
  // Its own refuses addresses of loopback, where all of us are.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  interactions: { url: (ctx, interaction) => `/sign-in/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource(ctx, form) {
        ctx.body = `${form}<input type="hidden" form="op.logoutForm" name="logout" value="yes">`;
      },
    },
  },
  ttl: { AccessToken: 300, IdToken: 300, Grant: 3600, Interaction: 600, Session: 3600, RefreshToken: 3600 },
  jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
});

// The page to sign in on: a form, and what it sends. Everybody has the same password.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/sign-in/')) return next();
  if (ctx.method !== 'POST') {
    ctx.type = 'html';
    ctx.body = `<form method="post" action="${ctx.path}"><input name="username"><input name="password" type="password"></form>`;
    return undefined;
  }
  let text = '';
  for await (const part of ctx.req) text += part;
  const form = new URLSearchParams(text);
  const username = form.get('username');
  if (!people()[username] || form.get('password') !== 'password-of-everybody') ctx.throw(403, 'wrong name or password');
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: username } }, { mergeWithLastSubmission: false });
  ctx.respond = false;
  return undefined;
});

provider.on('backchannel.success', (ctx, client, account) => console.log('logout of', account, 'told'));
provider.on('backchannel.error', (ctx, error, client, account) => console.log('logout of', account, 'not told:', error.message));
for (const event of ['server_error', 'authorization.error', 'grant.error']) {
  provider.on(event, (ctx, error) => console.log(event, error.message, error.error_description ?? ''));
}

provider.listen(Number(port), '127.0.0.1', () => console.log('listening on', issuer));
