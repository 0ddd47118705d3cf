"""Insert accounts straight into the database of an Open WebUI.

Making one through the interface costs a quarter of a second of password hashing.
An account here is a copy of the administrator's rows with a new id, the address
u0000001@example.test and so on, and the role user; accounts that are there
already stay as they are. Their password is that of the administrator, hashed as
cheaply as can be, so that signing in costs nothing either. The server may be
running meanwhile.
"""

import argparse
import pathlib
import sqlite3
import sys
import time
import uuid

import bcrypt


def rows(database, table, where, value):
    """Answer the first row that matches as a dictionary."""
    cursor = database.execute(f'SELECT * FROM "{table}" WHERE {where} = ? LIMIT 1', (value,))
    row = cursor.fetchone()
    if row is None:
        sys.exit(f"accounts: no row with {where} = {value!r} in table {table} to copy from")
    return dict(zip([column[0] for column in cursor.description], row))


def insert(database, table, templates):
    """Insert dictionaries of equal keys."""
    names = list(templates[0])
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    database.executemany(
        f'INSERT INTO "{table}" ({columns}) VALUES ({marks})',
        ([row[name] for name in names] for row in templates),
    )


def main():
    """Insert what is missing and say how many that was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=pathlib.Path, help="webui.db of a server that has started once")
    parser.add_argument("count", type=int, help="how many accounts there shall be")
    parser.add_argument("password", help="of all accounts")
    args = parser.parse_args()
    password = bcrypt.hashpw(args.password.encode(), bcrypt.gensalt(rounds=4)).decode()
    if not args.database.is_file():
        sys.exit(f"accounts: {args.database} does not exist; start the server once before")

    database = sqlite3.connect(args.database, timeout=30, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    user = rows(database, "user", "role", "admin")
    auth = rows(database, "auth", "id", user["id"])
    # The times lie in the past, so that an account made after these is the newest, and
    # after the administrator's, because Open WebUI protects whoever came first.
    start = int(time.time()) - args.count - 1
    if user["created_at"] > start:
        database.execute('UPDATE "user" SET created_at = ? WHERE id = ?', (start, user["id"]))
    there = {row[0] for row in database.execute('SELECT email FROM "user"')}
    users, auths = [], []
    for number in range(1, args.count + 1):
        email = f"u{number:07d}@example.test"
        if email in there:
            continue
        key, when = str(uuid.uuid4()), start + number
        users.append(user | {
            "id": key, "email": email, "name": f"User {number:07d}", "role": "user",
            "created_at": when, "updated_at": when, "last_active_at": when,
        })
        copy = auth | {"id": key, "email": email, "password": password}
        if "session_stamp" in copy:
            copy["session_stamp"] = str(uuid.uuid4())
        auths.append(copy)
    if users:
        insert(database, "user", users)
        insert(database, "auth", auths)
    database.execute("COMMIT")
    database.close()
    print(f"accounts: {len(users)} inserted, {args.count} wanted", file=sys.stderr)


main()
