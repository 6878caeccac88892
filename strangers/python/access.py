"""Says to an S3-compatible service (moto's server) who may do what, and looks into its buckets.

    access.py URL HOME open BUCKET                       the first four calls, which the service does not check
    access.py URL HOME allow USER BUCKET ACTION...       makes the user, or lets it do this and nothing else
    access.py URL HOME key USER FILE                     draws an access key for it, into a file for Medanchor
    access.py URL HOME withdraw USER                     deletes all of its access keys
    access.py URL HOME readable BUCKET                   lets everybody read it, as auditors do
    access.py URL HOME get BUCKET NAME FILE              says "none" if there is no such object
    access.py URL HOME put BUCKET NAME FILE
    access.py URL HOME delete BUCKET NAME

HOME is a folder of the caller's: what `open` makes, the administrator's own access key, is kept there.
"""

import json
import pathlib
import sys

import boto3
import botocore.config


def main() -> int:
    url, home, does, *words = sys.argv[1:]
    kept = pathlib.Path(home, "administrator.json")
    if does == "open":
        key = opened(client("iam", url, ("nobody", "yet")), client("s3", url, ("nobody", "yet")), *words)
        kept.write_text(json.dumps(key))
        return 0
    key = json.loads(kept.read_text())
    service = "iam" if does in ("allow", "key", "withdraw") else "s3"
    all_of_them = {"allow": allow, "key": draw, "withdraw": withdraw, "readable": readable, "get": get,
                   "put": put, "delete": delete}
    all_of_them[does](client(service, url, key), *words)
    return 0


def client(service: str, url: str, key):
    settings = botocore.config.Config(proxies={}, s3={"addressing_style": "path"})
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=settings,
                        aws_access_key_id=key[0], aws_secret_access_key=key[1])


def opened(iam, s3, bucket: str) -> list:
    iam.create_user(UserName="administrator")
    permit(iam, "administrator", ["*"], ["*"])
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    s3.create_bucket(Bucket=bucket)
    return [key["AccessKeyId"], key["SecretAccessKey"]]


def permit(iam, user: str, actions: list, where: list) -> None:
    statement = {"Effect": "Allow", "Action": actions, "Resource": where}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="its", PolicyDocument=policy)


def allow(iam, user: str, bucket: str, *actions: str) -> None:
    try:
        iam.create_user(UserName=user)
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    # A policy must name an action; who may do nothing gets to do this, which is none of S3's.
    permit(iam, user, list(actions) or ["iam:GetUser"], whole(bucket))


def draw(iam, user: str, file: str) -> None:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    path = pathlib.Path(file)
    path.touch(mode=0o600)
    path.write_text(
        f'access_key_id = "{key["AccessKeyId"]}"\nsecret_access_key = "{key["SecretAccessKey"]}"\n')


def whole(bucket: str) -> list:
    return [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def readable(s3, bucket: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": whole(bucket)[1]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def withdraw(iam, user: str) -> None:
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def get(s3, bucket: str, name: str, file: str) -> None:
    try:
        found = s3.get_object(Bucket=bucket, Key=name)
    except s3.exceptions.NoSuchKey:
        print("none")
        return
    pathlib.Path(file).write_bytes(found["Body"].read())


def put(s3, bucket: str, name: str, file: str) -> None:
    s3.put_object(Bucket=bucket, Key=name, Body=pathlib.Path(file).read_bytes())


def delete(s3, bucket: str, name: str) -> None:
    s3.delete_object(Bucket=bucket, Key=name)


if __name__ == "__main__":
    sys.exit(main())
