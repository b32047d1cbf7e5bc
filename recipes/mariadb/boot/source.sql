MASTER_PASSWORD={{secret.replication}}
