-- The accounts of a cluster's database. @replication and @admin are the passwords and @networks the
-- ranges of addresses from which they may be used, with blanks between; whoever reads this sets them.
-- Made and changed by the writer alone; replicas get them with its data.
DELIMITER //
BEGIN NOT ATOMIC
    DECLARE rest, network, hosts TEXT DEFAULT '';
    DECLARE host VARCHAR(255);
    -- Without ranges every account would be locked, and nobody could get in.
    IF COALESCE(TRIM(@networks), '') = '' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the fleet has no address ranges';
    END IF;
    SET rest = TRIM(@networks);
    WHILE rest <> '' DO
        SET network = SUBSTRING_INDEX(rest, ' ', 1);
        SET rest = LTRIM(SUBSTRING(rest, LENGTH(network) + 1));
        -- An account has no prefix but a mask: 172.31.0.0/255.255.0.0.
        SET host = CONCAT(SUBSTRING_INDEX(network, '/', 1), '/',
            INET_NTOA(4294967296 - (1 << (32 - SUBSTRING_INDEX(network, '/', -1)))));
        SET hosts = CONCAT_WS(',', hosts, host);
        EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS replication@', QUOTE(host), ' REQUIRE SSL');
        EXECUTE IMMEDIATE CONCAT('ALTER USER replication@', QUOTE(host), ' IDENTIFIED BY ', QUOTE(@replication), ' ACCOUNT UNLOCK');
        EXECUTE IMMEDIATE CONCAT('GRANT REPLICATION SLAVE ON *.* TO replication@', QUOTE(host));
        EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS virtualmin@', QUOTE(host), ' REQUIRE SSL');
        EXECUTE IMMEDIATE CONCAT('ALTER USER virtualmin@', QUOTE(host), ' IDENTIFIED BY ', QUOTE(@admin), ' ACCOUNT UNLOCK');
        EXECUTE IMMEDIATE CONCAT('GRANT ALL ON *.* TO virtualmin@', QUOTE(host), ' WITH GRANT OPTION');
        EXECUTE IMMEDIATE CONCAT('REVOKE SUPER, SHUTDOWN, FILE, READ_ONLY ADMIN, BINLOG ADMIN, BINLOG REPLAY, REPLICATION SLAVE, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN ON *.* FROM virtualmin@', QUOTE(host));
    END WHILE;
    -- Accounts of ranges that the fleet has no more are locked, not dropped: they may have defined views
    -- and routines, which go on working.
    FOR old IN (SELECT mysql.user.user AS name, mysql.user.host AS host FROM mysql.user
        WHERE user IN ('replication', 'virtualmin') AND NOT FIND_IN_SET(mysql.user.host, hosts)) DO
        EXECUTE IMMEDIATE CONCAT('ALTER USER ', QUOTE(old.name), '@', QUOTE(old.host), ' ACCOUNT LOCK');
    END FOR;
END//
DELIMITER ;
CREATE USER IF NOT EXISTS prometheus@localhost IDENTIFIED VIA unix_socket;
GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO prometheus@localhost;
