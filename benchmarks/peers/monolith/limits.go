package main

import (
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"
)

// limited has a token bucket in memory for each client address.
func limited(limit rate.Limit, burst int) gin.HandlerFunc {
	var lock sync.Mutex
	clients := map[string]*rate.Limiter{}
	return func(c *gin.Context) {
		lock.Lock()
		limiter, known := clients[c.ClientIP()]
		if !known {
			limiter = rate.NewLimiter(limit, burst)
			clients[c.ClientIP()] = limiter
		}
		lock.Unlock()
		if !limiter.Allow() {
			fail(c, http.StatusTooManyRequests, "Too many requests.")
			return
		}
		c.Next()
	}
}
