// An issuer of service-account tokens: the npm package oidc-provider, which node must find (NODE_PATH).
//
//   node oidc_issuer.cjs PORT CERTIFICATE
//
// CERTIFICATE is a PEM file with the key. Prints a line when it serves. Each line of standard input is a command:
// "rotate ALG" signs with a new key, and publishes the old ones as well; "forget" publishes the current key only.
// Exits with 77 if there is no oidc-provider.
const { generateKeyPairSync, randomUUID } = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const readline = require('node:readline');
const { pathToFileURL } = require('node:url');

console.info = console.error; // the package's notices; standard output has the answers only

const [port, certificate] = process.argv.slice(2);
const url = `https://localhost:${port}`;
const subject = 'system:serviceaccount:ci:pulumi-runner';
let keys = [];

const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function newKey(alg) {
  const { privateKey } = alg in curves ? generateKeyPairSync('ec', { namedCurve: curves[alg] })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: randomUUID() };
}

// The keys of a Provider are fixed: a rotation takes a new one.
function provider(Provider) {
  return new Provider(url, {
    jwks: { keys },
    clients: [{
      client_id: subject, client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [],
      response_types: [], token_endpoint_auth_method: 'client_secret_post',
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          audience: resource, scope: '', accessTokenFormat: 'jwt', accessTokenTTL: 3600,
          jwt: { sign: { alg: keys[0].alg, kid: keys[0].kid } },
        }),
      },
    },
    formats: {
      customizers: {
        jwt: (_context, _token, parts) => {
          parts.header = { typ: 'JWT' };
          parts.payload['kubernetes.io'] = {
            namespace: 'ci', serviceaccount: { name: 'pulumi-runner', uid: 'bece172b-0180-48d5-b762-e3c4501de4e2' },
          };
        },
      },
    },
  }).callback();
}

async function main() {
  let package_;
  try {
    package_ = require.resolve('oidc-provider');
  } catch {
    console.error('node finds no oidc-provider; set NODE_PATH');
    process.exit(77);
  }
  const { default: Provider } = await import(pathToFileURL(package_));
  const pem = fs.readFileSync(certificate);
  keys = [newKey('RS256')];
  let serve = provider(Provider);
  const server = https.createServer({ cert: pem, key: pem }, (request, response) => serve(request, response));
  server.listen(port, '127.0.0.1', () => console.log('serving'));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, alg] = line.split(' ');
    keys = command === 'rotate' ? [newKey(alg), ...keys] : keys.slice(0, 1);
    serve = provider(Provider);
    console.log(line);
  }
  process.exit(0);
}

main();
