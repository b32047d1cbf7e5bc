-- The accounts of a writer. Their passwords are @replication and @admin.
CREATE USER IF NOT EXISTS replication@'10.%' REQUIRE SSL;
EXECUTE IMMEDIATE CONCAT("ALTER USER replication@'10.%' IDENTIFIED BY ", QUOTE(@replication));
GRANT REPLICATION SLAVE ON *.* TO replication@'10.%';
CREATE USER IF NOT EXISTS virtualmin@'10.%' REQUIRE SSL;
EXECUTE IMMEDIATE CONCAT("ALTER USER virtualmin@'10.%' IDENTIFIED BY ", QUOTE(@admin));
GRANT ALL ON *.* TO virtualmin@'10.%' WITH GRANT OPTION;
-- It administers databases and accounts, and never where the data comes from or who writes.
REVOKE SUPER, SHUTDOWN, FILE, READ_ONLY ADMIN, BINLOG ADMIN, BINLOG REPLAY, REPLICATION SLAVE,
    REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN ON *.* FROM virtualmin@'10.%';
CREATE USER IF NOT EXISTS prometheus@localhost IDENTIFIED VIA unix_socket;
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO prometheus@localhost;
