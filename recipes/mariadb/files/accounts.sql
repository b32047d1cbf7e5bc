-- The accounts of a cluster's database. @replication and @admin are the passwords, set by whoever
-- reads this. Made and changed by the writer alone; replicas get them with its data.
CREATE USER IF NOT EXISTS replication@'10.%' REQUIRE SSL;
EXECUTE IMMEDIATE CONCAT("ALTER USER replication@'10.%' IDENTIFIED BY ", QUOTE(@replication));
GRANT REPLICATION SLAVE ON *.* TO replication@'10.%';
CREATE USER IF NOT EXISTS virtualmin@'10.%' REQUIRE SSL;
EXECUTE IMMEDIATE CONCAT("ALTER USER virtualmin@'10.%' IDENTIFIED BY ", QUOTE(@admin));
GRANT ALL ON *.* TO virtualmin@'10.%' WITH GRANT OPTION;
REVOKE SUPER, SHUTDOWN, FILE, READ_ONLY ADMIN, BINLOG ADMIN, BINLOG REPLAY, REPLICATION SLAVE, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN ON *.* FROM virtualmin@'10.%';
CREATE USER IF NOT EXISTS prometheus@localhost IDENTIFIED VIA unix_socket;
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO prometheus@localhost;
