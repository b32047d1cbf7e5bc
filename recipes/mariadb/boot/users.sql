SET @replication = {{secret.replication}}, @admin = {{secret.database-admin}}, @networks = {{networks}};
