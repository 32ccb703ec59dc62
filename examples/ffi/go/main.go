// In Go, with cgo: the pool serves any number of goroutines, and contexts end what they wait for.
//
//	quickstart DRIVER DATABASE [KEY=VALUE ...]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"
)

// It would take hours, on any database.
const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) " +
	"SELECT count(*) FROM n a, n b, n c, n d"

func stopInTime(ctx context.Context, conn *Conn) error {
	limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := conn.Execute(limited, endless)
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the statement ended with %v", err)
	}
	fmt.Println("stopped a statement after 100 ms")
	return nil
}

func executeAll(ctx context.Context, conn *Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Execute(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func addUsers(ctx context.Context, conn *Conn) error {
	return conn.Transaction(ctx, func() error {
		for i, name := range []string{"Ada", "Grace"} {
			_, err := conn.Execute(ctx, "INSERT INTO quickstart_users VALUES (?, ?)", i+1, name)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func work(ctx context.Context, conn *Conn) error {
	fmt.Println("connected to", conn.ServerVersion())
	err := executeAll(ctx, conn, "DROP TABLE IF EXISTS quickstart_users",
		"CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)")
	if err != nil {
		return err
	}
	if err := addUsers(ctx, conn); err != nil {
		return err
	}
	fmt.Println("committed")
	if err := stopInTime(ctx, conn); err != nil {
		return err
	}
	rows, err := conn.Execute(ctx, "SELECT id, name FROM quickstart_users WHERE id = ?", 2)
	if err != nil {
		return err
	}
	fmt.Println("user", rows[0][0], "is", rows[0][1])
	return nil
}

func show(value any) string {
	switch value := value.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf("%x", value)
	case json.RawMessage:
		return string(value)
	case time.Time:
		return value.Format("2006-01-02 15:04:05-07:00")
	case []any:
		return "[" + showAll(value, ", ") + "]"
	}
	return fmt.Sprint(value)
}

func showAll(values []any, separator string) string {
	shown := make([]string, len(values))
	for i, value := range values {
		shown[i] = show(value)
	}
	return strings.Join(shown, separator)
}

// useValues sends every type there and back.
func useValues(ctx context.Context, conn *Conn, driver string) error {
	postgres := strings.HasPrefix(driver, "postgres")
	bytes := map[bool]string{true: "bytea", false: "blob"}[postgres]
	err := executeAll(ctx, conn, "DROP TABLE IF EXISTS quickstart_values",
		"CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, "+
			"price decimal(10, 2), name text, data "+bytes+", day date, moment timestamp NULL, "+
			"missing text)")
	if err != nil {
		return err
	}
	_, err = conn.Execute(ctx, "INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		true, int64(9007199254740993), 2.5, Decimal("12.50"), "Ada \u2713", []byte{0, 1, 255},
		Date("2026-01-02"), Timestamp("2026-01-02 03:04:05"), nil)
	if err != nil {
		return err
	}
	rows, err := conn.Execute(ctx, "SELECT * FROM quickstart_values")
	if err != nil {
		return err
	}
	fmt.Println("values:", showAll(rows[0], " | "))
	if !postgres {
		return nil
	}
	rows, err = conn.Execute(ctx, "SELECT CAST(? AS uuid), CAST(? AS json), "+
		"interval '14 months 3 days 1.5 s', CAST(? AS integer[]), CAST(? AS time), "+
		"CAST(? AS timestamptz)", UUID("12345678-9abc-def0-1234-56789abcdef0"),
		json.RawMessage(`{"a":1}`), []any{1, nil, 3}, TimeOfDay("23:59:59.5"),
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err == nil {
		fmt.Println("and:", showAll(rows[0], " | "))
	}
	return err
}

func useEntity(ctx context.Context, conn *Conn) error {
	first, err := conn.Save(ctx, "quickstart_person", Record{"name": "Ada Byron"})
	if err != nil {
		return err
	}
	id := first["id"].(string)
	_, err = conn.Save(ctx, "quickstart_person", Record{"id": id, "name": "Ada Lovelace"})
	if err != nil {
		return err
	}
	history, err := conn.History(ctx, "quickstart_person", id)
	for _, version := range history {
		fmt.Println("version", version["version"], "is", version["name"])
	}
	return err
}

// count reads the table from many goroutines at once: more than the pool has connections.
func count(ctx context.Context, db *Database) error {
	const readers = 200
	failures := make(chan error, readers)
	for i := 0; i < readers; i++ {
		go func() {
			failures <- db.With(ctx, func(conn *Conn) error {
				rows, err := conn.Execute(ctx, "SELECT count(*) FROM quickstart_users")
				if err == nil && rows[0][0] != int64(2) {
					err = fmt.Errorf("counted %v", rows[0][0])
				}
				return err
			})
		}()
	}
	var err error
	for i := 0; i < readers; i++ {
		err = first(err, <-failures)
	}
	return err
}

func run(driver, database string, others []string) error {
	ctx := context.Background()
	settings := map[string]string{"database": database}
	for _, setting := range others {
		key, value, found := strings.Cut(setting, "=")
		if !found {
			return fmt.Errorf("%q is not KEY=VALUE", setting)
		}
		settings[key] = value
	}
	db, err := Open(driver, settings)
	if err != nil {
		return err
	}
	err = db.With(ctx, func(conn *Conn) error {
		if err := work(ctx, conn); err != nil {
			return err
		}
		if err := useValues(ctx, conn, driver); err != nil {
			return err
		}
		return useEntity(ctx, conn)
	})
	if err == nil {
		err = count(ctx, db)
	}
	err = first(err, db.Close(ctx, 30*time.Second))
	if err == nil {
		fmt.Println("pool closed")
	}
	return err
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: quickstart DRIVER DATABASE [KEY=VALUE ...]")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}
