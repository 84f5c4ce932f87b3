// provider.mjs - a certified OpenID provider for the wire tests. Settings come as JSON in PROVIDER: port, redirects, jwks, users, client (more of its metadata).
// A user's name is the login; any password does. Prints "up" when it listens on this machine's own address.
import * as module from 'oidc-provider';

const Provider = module.Provider ?? module.default;
const settings = JSON.parse(process.env.PROVIDER);
const issuer = `http://127.0.0.1:${settings.port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'craton-hub', client_secret: 'craton-hub-secret', redirect_uris: settings.redirects,
    grant_types: ['authorization_code'], response_types: ['code'],
    ...settings.client,
    id_token_signed_response_alg: settings.jwks.keys[0].alg, token_endpoint_auth_method: settings.auth ?? 'client_secret_basic',
  }],
  jwks: settings.jwks,
  cookies: { keys: ['a key of the tests'] },
  pkce: { required: () => true },
  claims: {
    openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], voperson_id: ['voperson_id'],
    eduperson_entitlement: ['eduperson_entitlement'],
  },
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  // The hub that is told of a sign-out is on this machine, which the provider's own way of asking shuns.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
  async findAccount(context, id) {
    const claims = settings.users[id];
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
});
provider.listen(settings.port, '127.0.0.1', () => console.log('up'));
