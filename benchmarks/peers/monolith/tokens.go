package main

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
)

const userKey = "user"

type tokens struct{ secret []byte }

func (t tokens) pair(of user) (access, refresh string, err error) {
	access, err = t.sign(of, 15*time.Minute)
	if err == nil {
		refresh, err = t.sign(of, refreshLifetime)
	}
	return access, refresh, err
}

func (t tokens) sign(of user, lifetime time.Duration) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		ID:        rand.Text(),
		Subject:   of.ID,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
	}).SignedString(t.secret)
}

func (t tokens) userOf(token string) (string, error) {
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) {
		return t.secret, nil
	}, jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	return claims.Subject, err
}

// required lets requests with an access token pass.
func (t tokens) required(c *gin.Context) {
	token, found := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	id, err := t.userOf(token)
	if !found || err != nil {
		fail(c, http.StatusUnauthorized, "Log in.")
		return
	}
	c.Set(userKey, id)
	c.Next()
}
