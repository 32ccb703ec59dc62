// In Go, with cgo: the pool serves any number of goroutines.
//
//	quickstart DRIVER DATABASE [KEY=VALUE ...]
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"
)

const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

func stopInTime(conn *Conn) error {
	_, err := conn.Execute(100*time.Millisecond, endless)
	if !errors.Is(err, ErrTimeout) {
		return fmt.Errorf("the statement ended with %v", err)
	}
	fmt.Println("stopped a statement after 100 ms")
	return nil
}

func prepare(conn *Conn) error {
	for _, sql := range []string{
		"DROP TABLE IF EXISTS quickstart_users",
		"CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)",
	} {
		if _, err := conn.Execute(0, sql); err != nil {
			return err
		}
	}
	return nil
}

func addUsers(conn *Conn) error {
	return conn.Transaction(func() error {
		for i, name := range []string{"Ada", "Grace"} {
			_, err := conn.Execute(0, "INSERT INTO quickstart_users VALUES (?, ?)", int64(i+1), name)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func work(conn *Conn) error {
	fmt.Println("connected to", conn.ServerVersion())
	if err := prepare(conn); err != nil {
		return err
	}
	if err := addUsers(conn); err != nil {
		return err
	}
	fmt.Println("committed")
	if err := stopInTime(conn); err != nil {
		return err
	}
	rows, err := conn.Execute(0, "SELECT id, name FROM quickstart_users WHERE id = ?", int64(2))
	if err != nil {
		return err
	}
	fmt.Println("user", rows[0][0], "is", rows[0][1])
	return nil
}

func useEntity(conn *Conn) error {
	first, err := conn.Save("quickstart_person", Record{"name": "Ada Byron"})
	if err != nil {
		return err
	}
	id := first["id"].(string)
	if _, err = conn.Save("quickstart_person", Record{"id": id, "name": "Ada Lovelace"}); err != nil {
		return err
	}
	history, err := conn.History("quickstart_person", id)
	for _, version := range history {
		fmt.Println("version", version["version"], "is", version["name"])
	}
	return err
}

// count reads the table from many goroutines at once.
func count(db *Database) error {
	var group sync.WaitGroup
	failures := make(chan error, 50)
	for i := 0; i < cap(failures); i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			failures <- db.With(func(conn *Conn) error {
				rows, err := conn.Execute(0, "SELECT count(*) FROM quickstart_users")
				if err == nil && rows[0][0] != int64(2) {
					err = fmt.Errorf("counted %v", rows[0][0])
				}
				return err
			})
		}()
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func run(driver, database string, others []string) error {
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
	err = db.With(work)
	if err == nil {
		err = db.With(useEntity)
	}
	if err == nil {
		err = count(db)
	}
	if closed := db.Close(30 * time.Second); err == nil {
		err = closed
	}
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
