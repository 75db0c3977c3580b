"""A store that an older composer wrote is read by this one: networks, addresses and ports keep what they had."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from composer.host.database import MIGRATIONS, Database
from composer.model.container import NetworkMembership
from composer.model.stack import Pool, PublishedPort
from composer.network.leases import Leases

OLD = """
INSERT INTO networks VALUES ('shop_front', 'shop',
  '{"stack":"shop","key":"front","name":"shop_front","internal":true,"subnet":null,"gateway":null,"labels":{"a":"b"}}',
  '172.24.0.0/24', '172.24.0.1', 'cpb1');
INSERT INTO networks VALUES ('shop_back', 'shop',
  '{"stack":"shop","key":"back","name":"shop_back","internal":false,"subnet":"10.9.0.0/24","gateway":"10.9.0.9","labels":{}}',
  '10.9.0.0/24', '10.9.0.9', 'cpb2');
INSERT INTO endpoints VALUES ('c1', 'shop_back', 'shop', '10.9.0.2', 'eth0', 0, '["web","www"]', 1);
INSERT INTO ports VALUES ('c1', 'shop', 80, '', 8080, 'tcp', 0, 1);
INSERT INTO ports VALUES ('c1', 'shop', 81, '127.0.0.1', 40123, 'tcp', 1, 1);
"""
FIRST_WITH_NETWORKS_OF_ONE_FAMILY = 1


def _written_by_an_older_one(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        for script in MIGRATIONS[:FIRST_WITH_NETWORKS_OF_ONE_FAMILY]:
            connection.executescript(script)
        connection.execute(f"PRAGMA user_version={FIRST_WITH_NETWORKS_OF_ONE_FAMILY}")
        connection.executescript(OLD)
    connection.close()


def test_networks_addresses_and_ports_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    _written_by_an_older_one(path)
    database = Database(path)
    try:
        leases = Leases(database)
        front, back = leases.network("shop_front"), leases.network("shop_back")
        assert front is not None
        assert back is not None
        assert (front.spec.internal, front.spec.pools, front.subnets) == (
            True,
            (),
            (("172.24.0.0/24", "172.24.0.1"),),
        )
        assert front.spec.labels == {"a": "b"}
        assert back.spec.pools == (Pool(subnet="10.9.0.0/24", gateway="10.9.0.9"),)
        (endpoint,) = leases.endpoints_of("c1")
        assert (endpoint.address, endpoint.names, endpoint.is_active) == ("10.9.0.2", ("web", "www"), True)
        assert endpoint.membership == NetworkMembership()
        fixed, random = leases.ports_of("c1")
        assert (fixed.asked, fixed.published) == (PublishedPort(target=80, published=8080), 8080)
        assert (random.asked, random.published) == (PublishedPort(target=81, host_ip="127.0.0.1"), 40123)
        assert database.rows("PRAGMA foreign_key_check") == []
    finally:
        database.close()
    Database(path).close()
