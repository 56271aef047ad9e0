-- Postgres runs this once, when its volume is empty. Tables of MLflow and Prefect have names that ours have, too.
CREATE DATABASE mlflow ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE prefect ENCODING 'UTF8' TEMPLATE template0;
