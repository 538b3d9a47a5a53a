// Command monolith stands in for the service that Cinelog replaces: one program with Gin, GORM and
// pgx, as such services are usually written. It reads DATABASE_URL, BIND, JWT_SECRET and RATE.
package main

import (
	"log"
	"os"
	"strconv"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func main() {
	perSecond, err := strconv.Atoi(os.Getenv("RATE"))
	if err != nil {
		log.Fatal("RATE: ", err)
	}
	// The driver prepares each statement once on a connection.
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")), &gorm.Config{
		Logger: logger.Default.LogMode(logger.Silent),
	})
	if err != nil {
		log.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		log.Fatal(err)
	}
	pool.SetMaxIdleConns(10)
	pool.SetMaxOpenConns(25)

	gin.SetMode(gin.ReleaseMode)
	router := gin.Default()
	router.Use(limited(rate.Limit(perSecond), perSecond))
	tokens := tokens{secret: []byte(os.Getenv("JWT_SECRET"))}
	addRoutes(router.Group("/api/v1"), videos{db}, accounts{db, tokens}, tokens)
	log.Fatal(router.Run(os.Getenv("BIND")))
}

func addRoutes(api *gin.RouterGroup, videos videos, accounts accounts, tokens tokens) {
	api.GET("/streaming/latest", videos.latest)
	api.GET("/streaming/search", videos.search)
	api.GET("/streaming/id/:id", videos.one)
	api.PATCH("/streaming/views/:id", videos.countView)
	api.GET("/users/me", tokens.required, accounts.me)
	api.POST("/auth/register", accounts.register)
	api.POST("/auth/login", accounts.login)
	api.POST("/auth/refresh", accounts.refresh)
}

type page struct {
	Data     any   `json:"data"`
	Page     int   `json:"page"`
	PageSize int   `json:"page_size"`
	Total    int64 `json:"total"`
}

func succeed(c *gin.Context, status int, data any) {
	c.JSON(status, gin.H{"success": true, "data": data})
}

func fail(c *gin.Context, status int, message string) {
	c.AbortWithStatusJSON(status, gin.H{
		"success": false,
		"error":   gin.H{"code": status, "message": message},
	})
}
