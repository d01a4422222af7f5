"""Signed tokens: made by PyJWT with keys of cryptography, and read as they should be or as they are."""
import base64
import hashlib
import hmac
import json
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fixture import Case, Page, escape, page

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
STRONG = "c2f8d1b7a4e94d0f8b6a73f1e5d2c9087a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d"
CLAIMS = {"sub": "7", "name": "guest"}


def public(key, form=serialization.PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


KEYS = {"RS256": (RSA, public(RSA)), "ES256": (EC, public(EC))}
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def decoded(part): return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
def header_of(token): return decoded(token.split(".")[0])
def unverified(token): return jwt.decode(token, options={"verify_signature": False})


def signed_by(secret, token, algorithm):
    signed, _, signature = token.rpartition(".")
    made = base64.urlsafe_b64encode(hmac.new(secret, signed.encode(), HASHES[algorithm]).digest()).rstrip(b"=")
    return hmac.compare_digest(made.decode(), signature)


def verified(algorithm, secret=STRONG):
    """As the library is meant to be used."""
    key = KEYS[algorithm][1] if algorithm in KEYS else secret
    return lambda token: jwt.decode(token, key, algorithms=[algorithm])


def none_taken(*names):
    """The header says how to verify; what it says is compared with these names."""
    def read(token):
        header = header_of(token)
        taken = header["alg"] in names if names else header["alg"].lower() == "none"
        return unverified(token) if taken else verified("HS256")(token)
    return read


def none_refused_by_name(token):
    if header_of(token)["alg"] in ("none", "None", "NONE"):
        raise ValueError("no algorithm")
    return none_taken()(token)


def only_if_there(algorithm):
    """A signature that is not there is not verified."""
    return lambda token: decoded(token.split(".")[1]) if token.endswith(".") else verified(algorithm)(token)


def key_of_any_kind(form=serialization.PublicFormat.SubjectPublicKeyInfo, end=b"\n"):
    """One key for whatever algorithm the header names."""
    def read(token):
        if header_of(token)["alg"] in HASHES:
            if not signed_by(public(RSA, form).rstrip() + end, token, header_of(token)["alg"]):
                raise ValueError("signature")
            return unverified(token)
        return verified("RS256")(token)
    return read


# What signs, and what reads.
WEAK = [
    ("HS256", STRONG, "unverified", unverified), ("RS256", None, "unverified", unverified), ("ES256", None, "unverified", unverified),
    ("HS256", STRONG, "none", none_taken("none")), ("HS256", STRONG, "nonecapital", none_taken("None")), ("HS256", STRONG, "noneanycase", none_taken()),
    ("HS256", STRONG, "nonerefusedbyname", none_refused_by_name), ("HS256", STRONG, "ifthere", only_if_there("HS256")),
    ("RS256", None, "ifthere", only_if_there("RS256")), ("RS256", None, "confused", key_of_any_kind()),
    ("RS256", None, "confusedshort", key_of_any_kind(end=b"")),
    ("RS256", None, "confusedpkcs1", key_of_any_kind(serialization.PublicFormat.PKCS1)),
] + [(algorithm, secret, "secret" + secret.replace("-", "")[:8], verified(algorithm, secret)) for algorithm, secret in (
    ("HS256", "secret"), ("HS256", "your-256-bit-secret"), ("HS384", "changeme"), ("HS512", "password"),
)] + [("none", None, "unsigned", unverified)]
SOUND = [
    (algorithm, STRONG, "verified" + str(number), verified(algorithm))
    for number in range(3) for algorithm in ("HS256", "HS384", "HS512", "RS256", "ES256")
]


def issued(algorithm, secret, claims):
    key = None if algorithm == "none" else KEYS[algorithm][0] if algorithm in KEYS else secret
    return jwt.encode(claims, key, algorithm)


def of_shop(read):
    def handle(value, _):
        try:
            claims = read(value)
        except Exception as error:
            return page("Log in", "Please log in.", 401) if isinstance(error, (jwt.PyJWTError, ValueError, KeyError, TypeError)) else page("Error", "?", 500)
        return page("Orders", f"Hello {escape(str(claims.get('name')))}: 7, 9.")
    return handle


def cases(_):
    made = []
    for vulnerable, table in ((True, WEAK), (False, SOUND)):
        for number, (algorithm, secret, way, read) in enumerate(table):
            place = PLACES[number % len(PLACES)]
            token = issued(algorithm, secret, CLAIMS | {"jti": f"{int(vulnerable)}{number}"})
            name = f"{'v' if vulnerable else 'f'}-{algorithm.lower()}-{way}-{place}"
            parameter = f"session{int(vulnerable)}{number}" if place == "cookie" else "token"
            others = (("q", "1"),) if place == "cookie" else ()
            made.append(Case(name, vulnerable, of_shop(read), place, parameter, token, others))
    # Where nobody reads the token, nobody need verify it.
    token = issued("HS256", STRONG, CLAIMS)
    made.append(Case("f-ignored", False, lambda _, request: page("Shop", "Pears, plums."), value=token, parameter="token"))
    made.append(Case("f-shown", False, lambda value, _: page("Shop", escape(value)), value=token, parameter="token"))
    return made


def pages():
    numbers = RSA.public_key().public_numbers()
    def number(n): return base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
    keys = {"keys": [{"kty": "RSA", "use": "sig", "kid": "1", "n": number(numbers.n), "e": number(numbers.e)}]}
    return {"/.well-known/jwks.json": lambda _: Page(json.dumps(keys), 200, (("Content-Type", "application/json"),))}


PLACES = ("cookie", "query", "cookie", "form", "json")
